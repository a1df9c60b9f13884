//! What a shell, or a command, is given to reach a local stack.

use cruddur_core::target::DUMMY_KEY;
use cruddur_local::State;

/// What Cruddur's web app, the AWS SDKs and libpq read.
pub fn variables(state: &State) -> Vec<(&'static str, String)> {
    let postgres = &state.postgres;
    vec![
        ("AWS_ENDPOINT_URL_DYNAMODB", state.dynamodb.url.clone()),
        // The SDKs ask for Streams' address under a name of its own.
        (
            "AWS_ENDPOINT_URL_DYNAMODB_STREAMS",
            state.dynamodb.url.clone(),
        ),
        (
            "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
            state.cognito.url.clone(),
        ),
        (
            "AWS_COGNITO_USER_POOL_ID",
            state.cognito.user_pool_id.clone(),
        ),
        (
            "AWS_COGNITO_USER_POOL_CLIENT_ID",
            state.cognito.client_id.clone(),
        ),
        ("AWS_ACCESS_KEY_ID", DUMMY_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", DUMMY_KEY.to_owned()),
        // boto3 reads one, the SDKs for other languages the other.
        ("AWS_DEFAULT_REGION", state.region.clone()),
        ("AWS_REGION", state.region.clone()),
        ("CONNECTION_URL", state.connection_url()),
        ("PGHOST", postgres.host.clone()),
        ("PGPORT", postgres.port.to_string()),
        ("PGUSER", postgres.user.clone()),
        ("PGPASSWORD", postgres.password.clone()),
        ("PGDATABASE", postgres.database.clone()),
    ]
}
