//! The sockets of the API: bounded in number and in patience, and ending gracefully.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::map_request;
use axum::{Extension, Router};
use futures_util::{StreamExt, stream};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;

/// Most connections at one time; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 1_024;

/// How long a client may take to send its header, so that idle connections do not pile up.
const HEADER_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long a client may pause within its request's body.
const BODY_PAUSE_MAX: Duration = Duration::from_secs(10);

/// How long a client may take for the whole body.
const BODY_WAIT_MAX: Duration = Duration::from_secs(600);

/// How long a client may read nothing of what it is answered.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long requests that are under way may take at the end.
const GRACE: Duration = Duration::from_secs(5);

/// Pause after the system refused a connection for want of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The other end of a connection; behind a proxy it is the proxy's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// Serves until `stop` comes true (or its sender is gone), then lets what is under way end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let router = router.layer(map_request(with_patience));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (ending, _) = watch::channel(false);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = is_stopped(&mut stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let router = router.clone().layer(Extension(Peer(peer.ip())));
                let ended = ending.subscribe();
                tokio::spawn(async move {
                    connection(stream, router, ended).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "api: a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    ending.send_replace(true);
    // Whoever is still served after the grace is cut off; that is what the grace is.
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(GRACE, places.acquire_many(all)).await;
    Ok(())
}

/// Ends a body that does not come, so that a client without a token cannot hold a place for ever.
async fn with_patience(request: Request) -> Request {
    let end = Instant::now() + BODY_WAIT_MAX;
    request.map(|body| {
        let pieces = stream::unfold(Some(body.into_data_stream()), move |pieces| async move {
            let mut pieces = pieces?;
            let until = end.min(Instant::now() + BODY_PAUSE_MAX);
            match tokio::time::timeout_at(until, pieces.next()).await {
                Ok(piece) => piece.map(|piece| (piece, Some(pieces))),
                Err(_) => {
                    let late = io::Error::from(io::ErrorKind::TimedOut);
                    Some((Err(axum::Error::new(late)), None))
                }
            }
        });
        Body::from_stream(pieces)
    })
}

async fn connection(stream: TcpStream, router: Router, mut ended: watch::Receiver<bool>) {
    // Small answers at once; a socket that refuses this works all the same.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(ANSWER_WAIT_MAX));
    let stream = Box::pin(stream);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WAIT_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = pin!(served);
    let result = tokio::select! {
        result = served.as_mut() => result,
        () = is_stopped(&mut ended) => {
            served.as_mut().graceful_shutdown();
            match tokio::time::timeout(GRACE, served).await {
                Ok(result) => result,
                Err(_) => Ok(()),
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "api: a connection broke");
    }
}

async fn is_stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone means the end as well.
    let _ = stop.wait_for(|stopped| *stopped).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_is_not_waited_for() {
        let silence = stream::pending::<Result<&str, io::Error>>();
        let begun = stream::iter([Ok("{")]).chain(silence);
        let request = with_patience(Request::new(Body::from_stream(begun))).await;
        assert!(to_bytes(request.into_body(), 100).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_slowly_comes_whole() {
        let pieces = stream::unfold(0, |number| async move {
            tokio::time::sleep(BODY_PAUSE_MAX / 2).await;
            (number < 5).then(|| (Ok::<_, io::Error>("ab"), number + 1))
        });
        let request = with_patience(Request::new(Body::from_stream(pieces))).await;
        let body = to_bytes(request.into_body(), 100).await.unwrap();
        assert_eq!(&body[..], b"ababababab");
    }
}
