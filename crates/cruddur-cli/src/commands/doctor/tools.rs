//! Programs that some commands start.

use std::path::PathBuf;

use cruddur_local::{StackDir, installed_postgres};

use super::checks::Checks;
use crate::commands::db::INSTALL_PSQL;
use crate::context::Context;
use crate::error;

pub fn check(context: &Context, checks: &mut Checks) {
    match on_path("psql") {
        Some(psql) => checks.ok("psql", psql.display().to_string()),
        None => checks.warning("psql", "it is not on the PATH", INSTALL_PSQL.to_owned()),
    }
    check_server_programs(context, checks);
}

/// They are needed where no server is named, by `cruddur local up`.
fn check_server_programs(context: &Context, checks: &mut Checks) {
    const NAME: &str = "postgresql programs";
    let target = &context.target;
    let named = ["CONNECTION_URL", "DATABASE_URL"]
        .into_iter()
        .find(|name| target.variable(name).is_some());
    let needless = if target.production {
        Some("--prod")
    } else {
        named
    };
    if let Some(why) = needless {
        checks.unchecked(&[NAME], &format!("not needed with {why}"));
        return;
    }
    let path = std::env::var_os("PATH");
    let installed =
        StackDir::of(&context.folder).and_then(|dir| installed_postgres(&dir, path.as_deref()));
    match installed {
        Ok(version) => checks.ok(NAME, format!("PostgreSQL {version}")),
        Err(error) => {
            let mend = error::local_hint(&error).unwrap_or_default();
            checks.warning(NAME, error.to_string(), mend);
        }
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
