//! What a run is told by its arguments and its surroundings, gathered once.
//!
//! This is where the environment, the home folder and the local stack's state
//! file are read; [`Target::resolve`] decides what to make of them.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Context as _;
use cruddur_core::target::{Inputs, Target};

use crate::args::Global;
use crate::ui::Ui;

/// What every command is given.
pub struct Context {
    /// Where results and notices go.
    pub ui: Ui,
    /// What the command talks to.
    pub target: Target,
    /// The folder the command was started in.
    pub folder: PathBuf,
}

impl Context {
    /// Reads the surroundings and resolves the target.
    pub fn new(global: Global, ui: Ui) -> anyhow::Result<Context> {
        let folder = std::env::current_dir().context("the current folder cannot be read")?;
        // Values that are not UTF-8 name nothing that is looked for here.
        let variables: HashMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let profile = global
            .profile
            .or_else(|| variables.get("AWS_PROFILE").cloned());
        let mut inputs = Inputs {
            production: global.prod,
            region: global.region,
            profile,
            endpoint_url: global.endpoint_url,
            table: global.table,
            local: None,
            profile_region: None,
            variables,
        };
        if needs_profile(&inputs) {
            inputs.profile_region = profile_region(inputs.profile.as_deref())?;
        }
        let target = Target::resolve(inputs);
        for name in &target.ignored {
            ui.warning(format_args!("{name} is ignored with --prod"));
        }
        Ok(Context { ui, target, folder })
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
