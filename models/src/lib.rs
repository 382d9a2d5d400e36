//! Annotated models, data and the `ivon` command.
