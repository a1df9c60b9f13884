//! Which port a service gets.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A listener on the first wanted port that is free, else on any that is. A
/// taken port is no reason not to start: the address is in the state file.
pub(crate) fn listen(wanted: &[u16]) -> io::Result<TcpListener> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let free = wanted
        .iter()
        .filter(|port| **port != 0)
        .find_map(|port| bind(*port).ok());
    let listener = match free {
        Some(listener) => listener,
        None => bind(0)?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The ports to try, best first: the one of the last run, so that addresses
/// stay as they were, unless another is asked for than then.
pub(crate) fn wanted(asked: u16, last: Option<(u16, u16)>) -> Vec<u16> {
    match last {
        Some((port, asked_then)) if asked_then == asked => vec![port, asked],
        _ => vec![asked],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_another() {
        let first = listen(&[0]).unwrap();
        let taken = first.local_addr().unwrap().port();
        let second = listen(&[taken]).unwrap();
        assert_ne!(second.local_addr().unwrap().port(), taken);
        assert!(second.local_addr().unwrap().ip().is_loopback());
    }

    #[test]
    fn the_last_port_counts_unless_another_is_asked_for() {
        assert_eq!(wanted(8000, None), [8000]);
        assert_eq!(wanted(8000, Some((40001, 8000))), [40001, 8000]);
        assert_eq!(wanted(8100, Some((40001, 8000))), [8100]);
    }
}
