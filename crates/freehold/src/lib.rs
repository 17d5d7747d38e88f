//! The one binary `freehold`, as a library so that each part can be tested by itself.
//!
//! Floor 4: the only room where clock, randomness, network and disk enter; they are made here and handed down.
//! Owns commands, configuration, the data folder, listeners and composition, and no decision of the rooms below.

pub mod authority;
pub mod certificates;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod doctor;
pub mod door;
pub mod exit;
pub mod folder;
pub mod key_file;
pub mod lab;
pub mod layout;
pub mod listener;
pub mod logs;
pub mod node;
pub mod pem;
pub mod random;
pub mod reserve;
pub mod serve;
pub mod settings;
pub mod signals;
pub mod tls;
pub mod tour;
pub mod wire;
