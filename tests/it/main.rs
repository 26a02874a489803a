//! What the components promise, against servers that misbehave on request.

mod office365;
