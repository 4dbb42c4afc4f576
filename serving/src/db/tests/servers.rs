//! Database servers for tests.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::{DatabaseConfig, Db, Place};
use crate::parts;

/// Where no system gives ports to clients.
const PORTS: std::ops::Range<u16> = 21_300..21_900;

/// A MariaDB in a process of its own; killed when dropped.
pub(super) struct MariaDb {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone already
        let _ = self.child.wait();
    }
}

impl MariaDb {
    /// None, with a word, where it is not installed.
    pub(super) async fn start(folder: &Path) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/mariadb/mariadb.sh");
        if !Command::new(&script).arg("check").status().is_ok_and(|status| status.success()) {
            parts::missing("MariaDB", "`deploy/setup.sh test` installs it");
            return None;
        }
        let from = (std::process::id() % u32::from(PORTS.end - PORTS.start)) as u16;
        let mut ports = PORTS.cycle_from(from);
        let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
        let child = Command::new(script).args(["run", &port.to_string()]).arg(folder).spawn().unwrap();
        let mut server = Self { child, port, folder: folder.to_path_buf() };
        let deadline = Instant::now() + Duration::from_secs(120);
        while Db::open(&server.config("hongniang"), folder).await.is_err() {
            let log = || std::fs::read_to_string(folder.join("mariadb.log")).unwrap_or_default();
            assert!(Instant::now() < deadline && server.child.try_wait().unwrap().is_none(), "MariaDB does not start: {}", log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Some(server)
    }

    fn config(&self, name: &str) -> DatabaseConfig {
        DatabaseConfig { url: format!("mariadb://hongniang:hongniang@127.0.0.1:{}/{name}", self.port), ..DatabaseConfig::default() }
    }

    /// A new database.
    pub(super) async fn database(&self, name: &str) -> Place {
        let db = Db::open(&self.config("hongniang"), &self.folder).await.unwrap();
        // Only ever names of this file.
        let mut tx = db.begin().await.unwrap();
        tx.raw(&format!("CREATE DATABASE {name}")).await.unwrap();
        tx.commit().await.unwrap();
        db.close().await;
        Place { config: self.config(name), folder: self.folder.clone() }
    }
}

/// All ports of a range, from one of them on.
trait CycleFrom {
    fn cycle_from(self, first: u16) -> impl Iterator<Item = u16>;
}

impl CycleFrom for std::ops::Range<u16> {
    fn cycle_from(self, first: u16) -> impl Iterator<Item = u16> {
        let (start, len) = (self.start, self.end - self.start);
        (0..len).map(move |i| start + (first + i) % len)
    }
}

/// The URL of a PostgreSQL server, or nothing, with the reason said.
pub(super) fn postgres() -> Option<String> {
    let url = std::env::var("HONGNIANG_TEST_POSTGRES_URL").ok();
    if url.is_none() {
        parts::skipped("HONGNIANG_TEST_POSTGRES_URL is not set; it names a database on a server on which others may be made");
    }
    url
}

/// A new database beside the one of the URL; one of a run before is replaced.
pub(super) async fn new_postgres(url: &str, name: &str) -> Place {
    let folder = std::env::temp_dir();
    let name = format!("hongniang_test_{name}");
    let db = Db::open(&DatabaseConfig { url: url.to_owned(), ..DatabaseConfig::default() }, &folder).await.unwrap();
    let super::super::pool::Pools::Postgres(pool) = &db.pools else { panic!("{url} is no PostgreSQL") };
    for statement in [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(pool).await.unwrap();
    }
    db.close().await;
    let (server, _) = url.rsplit_once('/').unwrap();
    Place { config: DatabaseConfig { url: format!("{server}/{name}"), ..DatabaseConfig::default() }, folder }
}
