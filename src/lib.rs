//! x
pub mod capture;
pub mod cli;
pub mod engine;
pub mod export;
pub mod findings;
pub mod flow;
pub mod model;
pub mod session;
pub mod story;
pub mod wire;
