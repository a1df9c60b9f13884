//! What a run is told by its arguments and its surroundings, gathered once.
//!
//! This is where the environment, the home folder and the local stack's state
//! file are read; [`Target::resolve`] decides what to make of them.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cruddur_core::aws::OnRetry;
use cruddur_core::db::ConnectionUrl;
use cruddur_core::target::{BY_DEFAULT, Choice, Inputs, LocalStack, PasswordFile, Target};
use cruddur_core::{Error, Result, Service};
use cruddur_local::{StackDir, Status};

use crate::args::Global;
use crate::stack_variables;
use crate::ui::Ui;

/// What every command is given.
pub struct Context {
    /// Where results and notices go.
    pub ui: Ui,
    /// What the command talks to.
    pub target: Target,
    /// The folder the command was started in.
    pub folder: PathBuf,
    /// The flags that were given.
    pub global: Global,
    inputs: Inputs,
}

impl Context {
    /// Reads the surroundings and resolves the target.
    pub fn new(global: Global, ui: Ui) -> anyhow::Result<Context> {
        let folder = std::env::current_dir().context("the current folder cannot be read")?;
        let variables = variables()?;
        let mut inputs = Inputs {
            production: global.prod,
            region: global.region.clone(),
            profile: global.profile.clone(),
            endpoint_url: global.endpoint_url.clone(),
            root_certificates: global.sslrootcert.clone(),
            table: global.table.clone(),
            local: local_stack(&folder, &ui),
            profile_region: None,
            password_file: None,
            variables,
            aside: BTreeMap::new(),
            on_retry: on_retry(ui),
        };
        inputs.set_aside();
        forget(inputs.aside.keys());
        let password_file = PasswordFileFound::look(&inputs.variables);
        if let PasswordFileFound::Usable(file) = &password_file {
            inputs.password_file = Some(file.clone());
        }
        if needs_profile(&inputs) {
            inputs.profile_region = profile_region(inputs.named_profile())?;
        }
        let target = Target::resolve(inputs.clone());
        if !target.ignored.is_empty() {
            let names = target.ignored.join(", ");
            ui.warning(format_args!("ignored with --prod: {names}"));
        }
        let lacks_password = |choice: &Choice<ConnectionUrl>| !choice.value.has_password();
        if let PasswordFileFound::Ignored(why) = password_file
            && target.postgres.as_ref().is_ok_and(lacks_password)
        {
            ui.warning(why);
        }
        if ui.verbose {
            tell(&ui, &target);
        }
        Ok(Context {
            ui,
            target,
            folder,
            global,
            inputs,
        })
    }

    /// Says so where this folder's stack does not run, and something else is asked
    /// in its place: it may be the stack of another folder.
    pub fn tell_of_stack_that_is_down(&self, services: &[Service]) {
        let instead: Vec<String> = services
            .iter()
            .filter_map(|one| self.unnamed(*one))
            .collect();
        if !instead.is_empty()
            && let Some(dir) = StackDir::find(&self.folder)
        {
            self.ui.warning(format_args!(
                "the local stack in {} is not running; this goes to {}",
                dir.path().display(),
                instead.join(" and ")
            ));
        }
    }

    /// Says so where production's database is reached without knowing whose server it is.
    pub fn tell_of_unverified_tls(&self, services: &[Service]) {
        let Ok(url) = &self.target.postgres else {
            return;
        };
        let url = &url.value;
        if self.target.production && services.contains(&Service::Postgres) && !url.is_verified() {
            self.ui.warning(format_args!(
                "PROD_CONNECTION_URL has sslmode={}, by which the server's certificate is not \
                 verified",
                url.ssl_mode()
            ));
        }
    }

    /// Lets nothing be dropped where this folder's stack does not run and nobody has
    /// named the server that is asked in its place. `naming` is how to.
    pub fn may_drop_at(&self, service: Service, naming: &str) -> Result<()> {
        // Also one that is there and not to be trusted.
        let there = StackDir::find(&self.folder).is_some() || StackDir::of(&self.folder).is_err();
        match self.unnamed(service) {
            Some(at) if there => Err(Error::Refused(format!(
                "nothing is dropped at {at} while this folder's local stack is down: start it \
                 with `cruddur local up --detach`, or name the server with {naming}"
            ))),
            _ => Ok(()),
        }
    }

    /// Where a service is that nobody has named.
    fn unnamed(&self, service: Service) -> Option<String> {
        let endpoint = match service {
            Service::Postgres => {
                let choice = self.target.postgres.as_ref().ok()?;
                return (choice.why == BY_DEFAULT).then(|| choice.value.at());
            }
            Service::Cognito => &self.target.cognito,
            Service::DynamoDb | Service::DynamoDbStreams => &self.target.dynamodb,
        };
        let choice = endpoint.as_ref().ok()?;
        let region = self.target.region.as_ref().ok()?;
        (choice.why == BY_DEFAULT).then(|| choice.value.display(service, &region.value))
    }

    /// Resolves the target anew, after the local stack was started.
    pub fn renewed(&self) -> Context {
        let mut inputs = self.inputs.clone();
        inputs.local = local_stack(&self.folder, &self.ui);
        self.with(inputs)
    }

    /// For what is done to one stack and nothing else: its variables beat those
    /// of the environment, and no flag leads elsewhere.
    pub fn for_stack(&self, variables: &[(&'static str, String)], quiet: bool) -> Context {
        let mut inputs = self.inputs.clone();
        inputs.production = false;
        inputs.endpoint_url = None;
        inputs.root_certificates = None;
        inputs.region = None;
        inputs.local = None;
        inputs.password_file = None;
        // libpq's settings are for the server that the environment had in mind.
        inputs.variables.retain(|name, _| !name.starts_with("PG"));
        let ours = variables.iter();
        inputs
            .variables
            .extend(ours.map(|(name, value)| ((*name).to_owned(), value.clone())));
        let ui = if quiet { self.ui.quieter() } else { self.ui };
        inputs.on_retry = on_retry(ui);
        let global = Global {
            prod: false,
            region: None,
            profile: None,
            endpoint_url: None,
            sslrootcert: None,
            ..self.global.clone()
        };
        Context {
            ui,
            global,
            ..self.with(inputs)
        }
    }

    fn with(&self, inputs: Inputs) -> Context {
        Context {
            ui: self.ui,
            target: Target::resolve(inputs.clone()),
            folder: self.folder.clone(),
            global: self.global.clone(),
            inputs,
        }
    }
}

/// What a target is resolved from, besides the endpoints' variables.
const NAME_A_TARGET: [&str; 17] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_COGNITO_USER_POOL_ID",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "CONNECTION_URL",
    "DATABASE_URL",
    "PGDATABASE",
    "PGHOST",
    "PGPASSWORD",
    "PGPORT",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGUSER",
    "PROD_CONNECTION_URL",
];

/// The environment, but for what is not UTF-8.
///
/// # Errors
///
/// [`Error::Usage`] for a variable that names a target: to pass it over would be to go
/// elsewhere.
fn variables() -> Result<HashMap<String, String>> {
    let mut variables = HashMap::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else {
            continue;
        };
        let names_a_target =
            name.starts_with("AWS_ENDPOINT_URL") || NAME_A_TARGET.contains(&&*name);
        match value.into_string() {
            Ok(value) => {
                variables.insert(name, value);
            }
            Err(_) if names_a_target => {
                return Err(Error::Usage(format!("the value of {name} is not UTF-8")));
            }
            Err(_) => {}
        }
    }
    Ok(variables)
}

/// Takes variables out of the environment. The SDK's credential chain follows an
/// endpoint there, whatever the target says, and would hand a session's token to
/// the server of some local test.
fn forget<'a>(names: impl Iterator<Item = &'a String>) {
    for name in names {
        // SAFETY: the context is made before the runtime is, so no other
        // thread runs that could read the environment meanwhile.
        unsafe { std::env::remove_var(name) };
    }
}

fn on_retry(ui: Ui) -> OnRetry {
    OnRetry::new(move |text| ui.status_beside_bar(text))
}

/// libpq's password file: `PGPASSFILE`, or else `.pgpass` in the home folder.
enum PasswordFileFound {
    None,
    Usable(PasswordFile),
    /// A sentence that says why.
    Ignored(String),
}

impl PasswordFileFound {
    fn look(variables: &HashMap<String, String>) -> PasswordFileFound {
        let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let path = match (set("PGPASSFILE"), set("HOME")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(home)) => Path::new(home).join(".pgpass"),
            (None, None) => return PasswordFileFound::None,
        };
        let name = path.display().to_string();
        // As with libpq, a file that is not there is no news.
        let Ok(metadata) = std::fs::metadata(&path) else {
            return PasswordFileFound::None;
        };
        let mode = metadata.permissions().mode();
        if !metadata.is_file() {
            PasswordFileFound::Ignored(format!("{name} is ignored: it is not a regular file"))
        } else if mode & 0o077 != 0 {
            PasswordFileFound::Ignored(format!(
                "{name} is ignored, since others may read or write it: chmod 600 {name}"
            ))
        } else {
            match std::fs::read_to_string(&path) {
                Ok(text) => PasswordFileFound::Usable(PasswordFile { name, text }),
                Err(error) => PasswordFileFound::Ignored(format!("{name} is ignored: {error}")),
            }
        }
    }
}

/// The addresses of the stack that runs in this folder or above it.
fn local_stack(folder: &Path, ui: &Ui) -> Option<LocalStack> {
    let looked = StackDir::of(folder).and_then(|dir| Ok((dir.status()?, dir)));
    match looked {
        Ok((Status::Running(state), dir)) => Some(LocalStack {
            folder: dir.path().display().to_string(),
            dynamodb: state.dynamodb.url.clone(),
            postgres: state.connection_url(),
            cognito: state.cognito.url.clone(),
            variables: stack_variables::variables(&state)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            user_pool_id: state.cognito.user_pool_id,
        }),
        Ok(_) => None,
        Err(error) => {
            ui.warning(format_args!("the local stack is passed over: {error}"));
            None
        }
    }
}

/// Says what the run talks to; what a service lacks is told when it is needed.
fn tell(ui: &Ui, target: &Target) {
    let region = target.region.as_ref().map_or("REGION", |r| &r.value);
    if let Ok(choice) = &target.dynamodb {
        let at = choice.value.display(Service::DynamoDb, region);
        ui.status(format_args!("DynamoDB: {at} ({})", choice.why));
    }
    if let Ok(choice) = &target.postgres {
        ui.status(format_args!(
            "PostgreSQL: {} ({})",
            choice.value, choice.why
        ));
    }
    if let Ok(choice) = &target.cognito {
        let at = choice.value.display(Service::Cognito, region);
        ui.status(format_args!("Cognito: {at} ({})", choice.why));
    }
}

/// Whether nothing nearer than the profile names the region.
fn needs_profile(inputs: &Inputs) -> bool {
    inputs.region.is_none()
        && ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .iter()
            .all(|name| inputs.variables.get(*name).is_none_or(String::is_empty))
}

/// The region that the AWS configuration files name for a profile.
fn profile_region(profile: Option<&str>) -> anyhow::Result<Option<String>> {
    let mut builder = aws_config::profile::ProfileFileRegionProvider::builder();
    if let Some(profile) = profile {
        builder = builder.profile_name(profile);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let region = runtime.block_on(aws_config::meta::region::ProvideRegion::region(
        &builder.build(),
    ));
    Ok(region.map(|region| region.to_string()))
}
