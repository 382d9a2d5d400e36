//! Parts that the experiments share.

#![allow(dead_code, reason = "no experiment uses all of it")]

pub mod data;
pub mod figure;
pub mod files;
pub mod heat;
pub mod net;
pub mod pictures;
pub mod scale;
pub mod score;
