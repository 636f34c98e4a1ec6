//! The sockets of the API: bounded in number and in patience, and ending gracefully.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Most connections at one time; more wait in the kernel's backlog.
const CONNECTIONS_MAX: usize = 1_024;

/// How long a client may take to send its header, so that idle connections do not pile up.
const HEADER_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long requests that are under way may take at the end.
const GRACE: Duration = Duration::from_secs(5);

/// Pause after the system refused a connection for want of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` comes true (or its sender is gone), then lets what is under way end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
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
            Ok((stream, _)) => {
                let (router, ended) = (router.clone(), ending.subscribe());
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

async fn connection(stream: TcpStream, router: Router, mut ended: watch::Receiver<bool>) {
    // Small answers at once; a socket that refuses this works all the same.
    let _ = stream.set_nodelay(true);
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
