//! Optimizers behind one interface: IVON, AdamW, SGD.
