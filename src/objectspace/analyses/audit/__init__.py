"""Lists of an audit from arrays: copies, outliers, wrong labels, and how much of the planted each finds."""
