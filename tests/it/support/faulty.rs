//! A stretch of network in front of a service, on which anything can happen.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of a connection. Those under way end when it changes.
#[derive(Clone)]
pub enum Weather {
    /// It reaches the service.
    Fair,
    /// It ends when something was asked.
    Cut,
    /// Nothing is ever answered.
    Hang,
    /// Whatever is asked, this is answered: status and body.
    Answer(u16, String),
}

/// Listens in place of the service.
pub struct Faulty {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    weather: watch::Sender<Weather>,
    accepting: JoinHandle<()>,
}

impl Faulty {
    /// In front of the service at this URL.
    pub async fn before(service: &str, weather: Weather) -> Self {
        let service = service.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listening");
        let url = url(listener.local_addr().expect("address"));
        let (weather, changes) = watch::channel(weather);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (mut changes, service) = (changes.clone(), service.clone());
                let weather = changes.borrow_and_update().clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass(client, &service, weather) => {}
                        _ = changes.changed() => {}
                    }
                });
            }
        });
        Self { url, weather, accepting }
    }

    /// With no service behind it.
    pub async fn alone(weather: Weather) -> Self {
        Self::before("", weather).await
    }

    pub fn turn(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A connection that fails is what this is for.
async fn pass(mut client: TcpStream, service: &str, weather: Weather) {
    let mut asked = [0; 16 * 1024];
    match weather {
        Weather::Fair => {
            if let Ok(mut service) = TcpStream::connect(service).await {
                let _ = copy_bidirectional(&mut client, &mut service).await;
            }
        }
        Weather::Cut => drop(client.read(&mut asked).await),
        Weather::Hang => drop(copy(&mut client, &mut sink()).await),
        Weather::Answer(status, body) => {
            let _ = client.read(&mut asked).await;
            let length = body.len();
            let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let _ = client.write_all((head + &body).as_bytes()).await;
            let _ = client.shutdown().await;
            let _ = copy(&mut client, &mut sink()).await;
        }
    }
}

/// Where nobody listens.
pub async fn closed() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bound");
    url(listener.local_addr().expect("address"))
}

/// Where connecting itself does not end: a queue of connections that nobody takes from, and that is full. With what must
/// be kept for that.
pub async fn full() -> (String, TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().expect("socket");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("bound");
    let listener = socket.listen(1).expect("listening");
    let address = listener.local_addr().expect("address");
    let mut waiting = Vec::new();
    let enough = std::time::Duration::from_millis(200);
    while let Ok(connected) = tokio::time::timeout(enough, TcpStream::connect(address)).await {
        waiting.push(connected.expect("connected"));
        assert!(waiting.len() < 100, "the queue does not fill");
    }
    (url(address), listener, waiting)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
