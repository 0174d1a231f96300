//! pmisplicense
