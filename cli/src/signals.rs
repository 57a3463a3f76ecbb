//! The signals that end a command.

use std::{future::pending, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Handles the signals that end a command. The future returns the number of the signal.
pub fn interrupted() -> impl Future<Output = u8> {
    let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
    let (interrupts, terminations) = (signal(interrupt), signal(terminate));
    // Without a handler, the signal ends the process by itself.
    let wait = async |handler: io::Result<Signal>| match handler {
        Ok(mut signal) => signal.recv().await,
        Err(_) => pending().await,
    };
    async move {
        tokio::select! {
            _ = wait(interrupts) => 2,
            _ = wait(terminations) => 15,
        }
    }
}
