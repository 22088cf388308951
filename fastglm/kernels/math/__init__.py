"""Elementary and special functions, and small linear algebra, for compiled callers."""
