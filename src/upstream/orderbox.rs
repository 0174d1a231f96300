//! OrderBox over HTTPS: `client` sends and classifies, `decode` reads its JSON, `refusal` says what its errors mean,
//! `calls` implements the ports. Reads are GET and carry the login in their address, so no address is ever logged or
//! put into an error (docs/orderbox-protocol.md 2). No decisions are made here.

mod calls;
mod client;
mod decode;
mod refusal;

pub use client::OrderBox;
