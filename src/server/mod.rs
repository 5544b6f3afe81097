//! The one router with its layers, and the loop that serves it.

mod accept;
mod browsers;
mod connection;
mod health;
mod index;
mod layers;
mod leftover;
mod peers;
mod prefix;
mod readiness;
mod streams;
mod supervision;
mod workers;
mod written;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate};
use tower_http::set_header::SetResponseHeaderLayer;

pub use accept::serve;
pub use peers::PeerLimits;

use crate::config::Config;
use crate::edge::{Allowances, BodyReceiver, Bound, Edge, Failure, Gate, NoCompression, identify};
use crate::graphql::GraphqlState;
use crate::service::Services;
use crate::telemetry::{Metrics, Traces};
use crate::{graphql, rest, web};
use browsers::Browsers;
use layers::{Guard, PagePermits, Watch};
use readiness::Readiness;
use workers::Workers;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What a running server is made of. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    services: Services,
    metrics: Arc<Metrics>,
    traces: Option<Traces>,
    stopping: CancellationToken,
    /// Connections and sockets, waited for at shutdown.
    tasks: TaskTracker,
    draining: Arc<AtomicBool>,
    readiness: Readiness,
    workers: Workers,
}

impl Server {
    /// A server over the services; it traces requests if that is wanted. Its requests run on the current runtime.
    pub fn new(services: Services, metrics: Arc<Metrics>, traces: Option<Traces>) -> Self {
        Self {
            services,
            metrics,
            traces,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            draining: Arc::default(),
            readiness: Readiness::default(),
            workers: Workers::current(),
        }
    }

    /// Turns away new work and asks everything under way to end.
    pub fn stop(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.services.close_subscriptions();
        self.stopping.cancel();
        self.tasks.close();
    }

    /// Waits until everything under way has ended.
    pub async fn drained(&self) {
        self.tasks.wait().await;
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Every route, with every layer.
    pub fn router(&self, config: &Config, gate: Gate) -> Router {
        let edge = Edge {
            services: self.services.clone(),
            gate,
            // A credential may have a rate of its own where no other request is counted.
            allowances: Allowances::new(config.requests.unwrap_or_default()),
            peers: config.auth.peer_limiter(),
            max_body_bytes: config.server.bodies.max_bytes,
            bodies: BodyReceiver::new(config.server.bodies),
            accepts_anonymous_bodies: false,
            work: Bound::new(config.server.max_concurrent_requests),
            unwritten: Bound::new(config.server.max_unwritten_bytes),
        };
        let pages = PagePermits { work: edge.work.clone(), is_open: config.auth.open };
        let pages = middleware::from_fn_with_state(pages, layers::hold_permit);
        // Callers without a credential may send an introspection query.
        let for_graphql = Arc::new(Edge { accepts_anonymous_bodies: true, ..edge.clone() });
        let limits = (config.graphql, config.sockets);
        let (timeout, stopping, tasks) = (config.server.request_timeout, self.stopping.clone(), self.tasks.clone());
        let graphql = GraphqlState::new(for_graphql, limits, timeout, stopping, tasks);
        let prefix = &*config.server.path_prefix;
        let mut router = rest::router(Arc::new(edge), prefix)
            .merge(graphql::router(graphql))
            .merge(health::router(self.clone()))
            .merge(index::router(&config.server));
        if config.server.gallery {
            router = router.merge(web::gallery(&config.auth, prefix).route_layer(pages.clone()));
        }
        if config.server.graphiql {
            router = router.merge(web::graphiql(prefix).route_layer(pages.clone()));
        }
        if config.server.docs {
            router = router.merge(web::reference(prefix).route_layer(pages));
        }
        let guard = Guard { timeout: config.server.request_timeout, max_header_bytes: config.server.max_header_bytes };
        let browsers = Browsers::new(&config.server);
        let watch = Watch { metrics: self.metrics.clone(), traces: self.traces.clone() };
        let layers = ServiceBuilder::new()
            .layer(middleware::from_fn(identify))
            .layer(middleware::from_fn_with_state(watch, layers::observe))
            .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
            .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
            .layer(fixed(CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"))
            // The pages have policies of their own; anything else has nothing to load.
            .layer(fixed(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
            .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(may_compress)))
            .layer(middleware::from_fn(layers::render))
            .layer(middleware::from_fn_with_state(browsers.clone(), browsers::refuse_foreign))
            .option_layer(browsers.cors())
            .layer(middleware::from_fn_with_state(guard, layers::guard));
        router = router.fallback(index::no_route).method_not_allowed_fallback(async || Failure::Method).layer(layers);
        prefix::nest(prefix, router)
    }
}

fn may_compress(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<NoCompression>().is_none()
}

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}
