//! Subscriptions, over the socket at `/graphql/ws`.

use async_graphql::{Context, Subscription};
use futures_util::{Stream, StreamExt, stream};

use super::error::Result;
use super::query::caller;
use super::types::Integration;
use crate::domain::Operation;

/// Everything that can be followed. Needs the account in `X-Account-ID` of the upgrade or of `connection_init`.
pub(super) struct Subscription;

/// Everything that can be followed. Needs the account in `X-Account-ID` of the upgrade or of `connection_init`.
#[Subscription]
impl Subscription {
    /// Each integration of the account that is installed, changed or uninstalled from now on, through any replica,
    /// within two seconds. Several changes of one integration may arrive as its latest state once. Needs the scope
    /// `installations:read`.
    async fn integration_changed(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = Result<Integration>> + use<>> {
        let tenant = caller(ctx).tenant(Operation::FollowIntegrations)?.clone();
        let subscription = tenant.subscribe().await?;
        let changes = stream::unfold(Some(subscription), async |subscription| {
            let mut subscription = subscription?;
            match subscription.next().await {
                Ok(Some(changed)) => {
                    let items: Vec<Result<Integration>> = changed.into_iter().map(|i| Ok(Integration(i))).collect();
                    Some((items, Some(subscription)))
                }
                Ok(None) => None,
                // Told, and the end: the client subscribes again and sees the state as it is then.
                Err(error) => Some((vec![Err(error.into())], None)),
            }
        });
        Ok(changes.flat_map(stream::iter))
    }
}
