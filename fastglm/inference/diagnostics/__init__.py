"""Checks of a fit's assumptions."""
