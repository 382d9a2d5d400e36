//! Layers: annotated models of a few lines, built from ops.
