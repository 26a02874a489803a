//! Buffers at work: what they say to whom, and when.
