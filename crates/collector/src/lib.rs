//! A reporting origin.
