//! A stretch of wire in front of PostgreSQL on which messages can be counted, cut off and held up.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Before the statement reaches the server.
    Before,
    /// After the server has worked on it: only the answer is lost.
    After,
}

/// Listens in place of the server.
pub struct Strait {
    /// `127.0.0.1:PORT`.
    pub address: String,
    wire: Wire,
    accepting: JoinHandle<()>,
}

#[derive(Clone)]
struct Wire {
    /// Statements that still pass before one is cut; negative when none is.
    left: Arc<AtomicI64>,
    cut: watch::Sender<Cut>,
    is_held: watch::Sender<bool>,
}

impl Strait {
    /// In front of the server at this address, open.
    pub async fn before(server: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listening");
        let address = listener.local_addr().expect("address").to_string();
        let wire = Wire {
            left: Arc::new(AtomicI64::new(-1)),
            cut: watch::Sender::new(Cut::Before),
            is_held: watch::Sender::new(false),
        };
        let (own, server) = (wire.clone(), server.to_owned());
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if let Ok(server) = TcpStream::connect(&server).await {
                    own.join(client, server);
                }
            }
        });
        Self { address, wire, accepting }
    }

    /// Cuts the connection of the n-th statement from now, counted from 1.
    pub fn cut(&self, nth: i64, cut: Cut) {
        self.wire.cut.send_replace(cut);
        self.wire.left.store(nth, Ordering::SeqCst);
    }

    /// Whether a cut that was ordered has been made; it is called off if not.
    pub fn was_cut(&self) -> bool {
        self.wire.left.swap(-1, Ordering::SeqCst) <= 0
    }

    /// Nothing passes any more, and no connection ends.
    pub fn hold(&self) {
        self.wire.is_held.send_replace(true);
    }

    pub fn release(&self) {
        self.wire.is_held.send_replace(false);
    }
}

impl Drop for Strait {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Wire {
    fn join(&self, client: TcpStream, server: TcpStream) {
        // Messages are passed on one by one, and must not wait for each other.
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket");
        }
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let (ended, lost) = (CancellationToken::new(), CancellationToken::new());
        let (wire, ended_too, lost_too) = (self.clone(), ended.clone(), lost.clone());
        tokio::spawn(async move {
            let _ends_the_other = ended.clone().drop_guard();
            tokio::select! {
                _ = wire.pass_statements(from_client, to_server, &lost) => {}
                () = ended.cancelled() => {}
            }
        });
        let wire = self.clone();
        tokio::spawn(async move {
            let _ends_the_other = ended_too.clone().drop_guard();
            tokio::select! {
                _ = wire.pass_answers(from_server, to_client, &lost_too) => {}
                () = ended_too.cancelled() => {}
            }
        });
    }

    /// Message by message; the first ones of a connection have no type.
    async fn pass_statements(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        lost: &CancellationToken,
    ) -> std::io::Result<()> {
        let mut is_started = false;
        loop {
            let mut message = vec![0; if is_started { 5 } else { 4 }];
            from.read_exact(&mut message).await?;
            let kind = is_started.then(|| message[0]);
            let length = message[message.len() - 4..].try_into().map(u32::from_be_bytes).expect("four bytes");
            let head = message.len();
            message.resize(head + length as usize - 4, 0);
            from.read_exact(&mut message[head..]).await?;
            self.while_open().await;
            // A request for encryption is followed by another start.
            const ENCRYPT: [u8; 4] = 80_877_103_u32.to_be_bytes();
            is_started |= message[head..] != ENCRYPT;
            let is_statement = matches!(kind, Some(b'Q' | b'E'));
            if is_statement && self.left.load(Ordering::SeqCst) > 0 && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                if *self.cut.borrow() == Cut::Before {
                    return Ok(());
                }
                lost.cancel();
            }
            to.write_all(&message).await?;
        }
    }

    async fn pass_answers(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        lost: &CancellationToken,
    ) -> std::io::Result<()> {
        let mut buffer = vec![0; 64 * 1_024];
        loop {
            let length = from.read(&mut buffer).await?;
            self.while_open().await;
            if length == 0 || (lost.is_cancelled() && is_done(&buffer[..length])) {
                return Ok(());
            }
            if !lost.is_cancelled() {
                to.write_all(&buffer[..length]).await?;
            }
        }
    }

    async fn while_open(&self) {
        let _ = self.is_held.subscribe().wait_for(|is_held| !is_held).await;
    }
}

/// The server is ready for the next statement: it has committed this one, unless a transaction is open.
fn is_done(answers: &[u8]) -> bool {
    matches!(answers, [.., b'Z', 0, 0, 0, 5, _])
}
