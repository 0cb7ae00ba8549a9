//! The vocabulary that every layer shares: time, packet numbers, flows, stream events, observations,
//! bounds and counters.
//!
//! Holds data only: no parsing, no input, no output, no clock.

pub mod codes;
pub mod defect;
pub mod dhcp;
pub mod dns;
pub mod flow;
pub mod http;
pub mod kerberos;
pub mod limits;
pub mod log;
pub mod observation;
pub mod packet;
pub mod ports;
pub mod recent;
pub mod sip;
pub mod stats;
pub mod stream;
pub mod suite_names;
pub mod time;
pub mod tls;
pub mod watch;

pub use defect::{Defect, Loss, LossCause};
pub use flow::{Both, Direction, FlowKey, TransportKind};
pub use limits::{LEAST_MEMORY, Limits};
pub use log::{LogEvent, LogKind, LogLevel};
pub use observation::{Ciphertext, Message, Observation, Payload, TcpEvent};
pub use packet::{At, FrameNo, InputNo, LinkType, Packet, PacketNo, PointNo};
pub use ports::{DecodeAs, Ports};
pub use recent::Recent;
pub use stats::{Counter, Stats};
pub use stream::{Change, FlowSlot, StreamEvent, TcpStep};
pub use time::{Span, Timestamp};
