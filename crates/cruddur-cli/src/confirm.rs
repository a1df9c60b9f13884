//! What asks before something goes that cannot be brought back.

use clap::Args;
use cruddur_core::Error;

use crate::context::Context;

// The name of what is about to change, typed by hand or given by flag.
#[derive(Debug, Clone, Args)]
pub struct Confirmation {
    /// The name of the database or table that is changed, which --prod asks for
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

impl Confirmation {
    /// Goes on once the name of the thing was given, which in development nobody
    /// has to. Whoever lets something go shows it before.
    pub async fn require(&self, context: &Context, name: &str) -> anyhow::Result<()> {
        let given = match &self.confirm {
            Some(given) => given.clone(),
            None if !context.target.production => return Ok(()),
            None if context.ui.can_ask => {
                let question = format!("Type {name} to go on:");
                context.ui.ask(question).await?
            }
            None => {
                return Err(Error::Refused(format!(
                    "this changes production and nobody can be asked: pass --confirm {name}"
                ))
                .into());
            }
        };
        if given != name {
            return Err(Error::Refused(format!(
                "{given:?} is not {name:?}, so nothing was changed"
            ))
            .into());
        }
        Ok(())
    }
}
