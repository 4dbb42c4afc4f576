//! Protocols: which rows are history, which are judged, and by what.
