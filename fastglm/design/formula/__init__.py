"""From a formula to columns: grammar, coding of levels, transforms, and what a fit keeps."""
