"""The record of a fit, and how rows and options become one."""
