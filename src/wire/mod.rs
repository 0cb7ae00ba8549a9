//! Bytes to views: one file a protocol, no state, no input or output.
//!
//! A parser takes the bytes of its protocol and returns what it could read together with what was
//! wrong ([`crate::model::Defect`]); it never panics and never loops without consuming.

pub mod auth;
pub mod bodies;
pub mod bytes;
pub mod certificate;
pub mod date;
pub mod der;
pub mod dhcp;
pub mod diagnostics;
pub mod dns;
pub mod endpoint;
pub mod fields;
pub mod http;
pub mod ip;
pub mod kerberos;
pub mod keylog;
pub mod link;
pub mod lz77;
pub mod ntlm;
pub mod packet;
pub mod pcap;
pub mod pcapng;
pub mod sip;
pub mod spnego;
pub mod tls;
pub mod xml;
pub mod xml_layout;
pub mod xml_words;
