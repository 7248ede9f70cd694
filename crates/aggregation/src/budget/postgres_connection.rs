//! A connection to PostgreSQL, with the thread that waits for it.

use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls, Transaction};

use super::LedgerError;
use crate::runtime::OwnRuntime;

/// A connection that is made when it is needed, and anew when it was lost.
#[derive(Debug)]
pub(crate) struct PostgresConnection {
    runtime: OwnRuntime,
    config: Config,
    client: Option<Client>,
}

impl PostgresConnection {
    /// For the database of a URL: `postgresql://user@host/database`.
    pub(crate) fn new(url: &str) -> Result<Self, LedgerError> {
        let mut config: Config = url.parse()?;
        config.connect_timeout(Duration::from_secs(10)).application_name("ascribe-aggregation");
        Ok(Self { runtime: OwnRuntime::on_this_thread()?, config, client: None })
    }

    /// Runs something in one transaction, which an error rolls back.
    pub(crate) fn transact<T, E: From<LedgerError>>(
        &mut self,
        run: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let Self { runtime, config, client } = self;
        runtime.block_on(async {
            if client.as_ref().is_none_or(Client::is_closed) {
                let (connected, connection) = config.connect(NoTls).await.map_err(LedgerError::from)?;
                tokio::spawn(connection);
                *client = Some(connected);
            }
            let client = client.as_mut().expect("it was connected just now");
            let transaction = client.transaction().await.map_err(LedgerError::from)?;
            let done = run(&transaction).await?;
            transaction.commit().await.map_err(LedgerError::from)?;
            Ok(done)
        })
    }
}
