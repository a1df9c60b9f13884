use cruddur_core::Error;
use cruddur_core::db::script::Script;

use crate::postgres::{empty, raw, sql};

fn script(text: &str) -> Script {
    Script::new("mine.sql", text.to_owned())
}

#[tokio::test]
async fn what_a_file_takes_away_is_told() {
    let database = empty().await;
    database.load_schema(Script::schema(), false).await.unwrap();
    for dry_run in [true, false] {
        let file = script("drop table public.activities; alter table public.users drop email");
        let loaded = database.load_seed(file, dry_run).await.unwrap();
        assert!(!loaded.is_unchanged());
        assert_eq!(
            loaded.dropped,
            ["column public.users.email", "table public.activities"]
        );
    }
}

#[tokio::test]
async fn the_second_load_changes_nothing() {
    let database = empty().await;
    let dry = database.load_schema(Script::schema(), true).await.unwrap();
    let first = database.load_schema(Script::schema(), false).await.unwrap();
    assert_eq!(dry, first);
    assert_eq!(
        first.created,
        ["table public.activities", "table public.users"]
    );
    assert!(
        database
            .load_schema(Script::schema(), false)
            .await
            .unwrap()
            .is_unchanged()
    );

    assert_eq!(
        database.load_seed(Script::seed(), true).await.unwrap().rows,
        4
    );
    assert_eq!(
        database
            .load_seed(Script::seed(), false)
            .await
            .unwrap()
            .rows,
        4
    );
    assert!(
        database
            .load_seed(Script::seed(), false)
            .await
            .unwrap()
            .is_unchanged()
    );
    let counts = "select count(*) from users union all select count(*) from activities";
    assert_eq!(sql(&database, counts).await, ["3", "1"]);
}

#[tokio::test]
async fn the_columns_are_those_of_the_web_app() {
    let database = empty().await;
    database.load_schema(Script::schema(), false).await.unwrap();
    let columns = sql(
        &database,
        "select table_name || ': ' || string_agg(column_name, ' ' order by ordinal_position)
         from information_schema.columns where table_schema = 'public'
         group by table_name order by 1",
    )
    .await;
    assert_eq!(
        columns,
        [
            "activities: uuid user_uuid message replies_count reposts_count likes_count \
             reply_to_activity_uuid expires_at created_at",
            "users: uuid display_name handle email cognito_user_id created_at",
        ]
    );
}

#[tokio::test]
async fn times_are_utc_whatever_the_zone_of_server_or_session() {
    let database = empty().await;
    let name = database.name();
    sql(
        &database,
        &format!("alter database \"{name}\" set timezone to 'Asia/Tokyo'"),
    )
    .await;
    database.load_schema(Script::schema(), false).await.unwrap();
    database.load_seed(Script::seed(), false).await.unwrap();
    sql(
        &database,
        "insert into users (display_name, handle, email, cognito_user_id) values ('', 'h', '', '')",
    )
    .await;
    let off = "select count(*) from users
         where abs(extract(epoch from created_at - (now() at time zone 'utc'))) > 300";
    assert_eq!(sql(&database, off).await, ["0"]);
    let expires =
        "select round(extract(epoch from expires_at - (now() at time zone 'utc')) / 86400)
         from activities";
    assert_eq!(sql(&database, expires).await, ["10"]);
}

#[tokio::test]
async fn an_older_table_gets_what_it_lacks_and_keeps_its_rows() {
    let database = empty().await;
    sql(
        &database,
        "create table public.users (uuid uuid default gen_random_uuid() primary key,
           display_name text not null, handle text not null, cognito_user_id text not null,
           created_at timestamp default current_timestamp not null);
         insert into users (display_name, handle, cognito_user_id) values ('A', 'a', 'MOCK')",
    )
    .await;
    let loaded = database.load_schema(Script::schema(), false).await.unwrap();
    assert_eq!(
        loaded.created,
        [
            "column public.users.email",
            "index public.users_handle_key",
            "table public.activities"
        ]
    );
    assert_eq!(database.users(None).await.unwrap()[0].handle, "a");
    let columns = "alter table users drop display_name, drop cognito_user_id, drop created_at;
        alter table activities drop likes_count, drop expires_at, drop created_at";
    sql(&database, columns).await;
    let loaded = database.load_schema(Script::schema(), false).await.unwrap();
    assert_eq!(
        loaded.created,
        [
            "column public.activities.created_at",
            "column public.activities.expires_at",
            "column public.activities.likes_count",
            "column public.users.cognito_user_id",
            "column public.users.created_at",
            "column public.users.display_name",
        ]
    );
    let user = &database.users(None).await.unwrap()[0];
    assert_eq!(
        (user.display_name.as_str(), user.cognito_user_id.as_str()),
        ("", "MOCK")
    );
}

#[tokio::test]
async fn a_column_that_is_added_is_as_in_a_new_table() {
    let database = empty().await;
    database.load_schema(Script::schema(), false).await.unwrap();
    let columns =
        "select concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default)
        from information_schema.columns where table_schema = 'public' order by 1";
    let new = sql(&database, columns).await;
    let drop = "alter table users drop display_name, drop email, drop cognito_user_id,
          drop created_at;
        alter table activities drop replies_count, drop reposts_count, drop likes_count,
          drop reply_to_activity_uuid, drop expires_at, drop created_at";
    sql(&database, drop).await;
    assert_eq!(sql(&database, columns).await.len(), new.len() - 10);
    database.load_schema(Script::schema(), false).await.unwrap();
    let added = sql(&database, columns).await;
    assert_eq!(added, new);
}

#[tokio::test]
async fn what_is_not_of_a_table_is_told_too() {
    let database = empty().await;
    let file = "create schema app; create type app.mood as enum ('fine');
        create function app.f() returns trigger language plpgsql as
          'begin return new; end';
        create table t (a int); create trigger g after insert on t execute function app.f();";
    let loaded = database.load_schema(script(file), false).await.unwrap();
    let all = [
        "function app.f()",
        "schema app",
        "table public.t",
        "trigger g on public.t",
        "type app.mood",
    ];
    assert_eq!(loaded.created, all);
    let again = script("drop table t; drop schema app cascade");
    let loaded = database.load_schema(again, false).await.unwrap();
    assert_eq!(loaded.dropped, all);
}

#[tokio::test]
async fn nothing_new_is_said_only_of_what_is_known_to_change_nothing() {
    let database = empty().await;
    database.load_schema(Script::schema(), false).await.unwrap();
    database.load_seed(Script::seed(), false).await.unwrap();
    for (statement, unchanged) in [
        ("truncate activities", false),
        ("alter table users alter email drop not null", false),
        (
            "with gone as (delete from activities returning *) select * from gone",
            false,
        ),
        ("do $$ begin delete from activities; end $$", false),
        (
            "create or replace function f() returns int language sql as 'select 1'",
            false,
        ),
        ("create table if not exists users ()", true),
        (
            "insert into users select * from users on conflict do nothing",
            true,
        ),
        ("delete from users where handle = 'nobody'", true),
        ("set lock_timeout = '1s'; select 1", true),
    ] {
        let script = Script::new("x.sql", statement.to_owned());
        let loaded = database.load_seed(script, true).await.unwrap();
        assert_eq!(loaded.is_unchanged(), unchanged, "{statement}");
    }
}

#[tokio::test]
async fn what_is_there_is_left_unlocked() {
    let database = empty().await;
    database.load_schema(Script::schema(), false).await.unwrap();
    let name = database.name();
    let limit = format!("alter database \"{name}\" set lock_timeout = '1s'");
    sql(&database, &limit).await;
    let (client, driver) = raw(&database).await;
    client
        .batch_execute("begin; lock users, activities in row exclusive mode")
        .await
        .unwrap();
    for dry_run in [true, false] {
        let loaded = database.load_schema(Script::schema(), dry_run).await;
        assert!(loaded.unwrap().is_unchanged());
    }
    drop(client);
    driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_lock_of_another_session_is_not_waited_for_without_end() {
    let database = empty().await;
    sql(&database, "create table users (handle text)").await;
    let (client, driver) = raw(&database).await;
    client
        .batch_execute("begin; select from users")
        .await
        .unwrap();
    let load = database.load_schema(Script::schema(), true);
    // Only so that a load that waits for ever ends this test.
    let limit = std::time::Duration::from_secs(120);
    let error = tokio::time::timeout(limit, load).await.unwrap();
    let error = error.unwrap_err();
    assert!(
        matches!(&error, Error::Service { code, .. } if code == "55P03"),
        "{error}"
    );
    assert!(error.to_string().contains("sql/schema.sql:"), "{error}");
    drop(client);
    driver.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_first_error_is_told_with_its_line_and_nothing_stays() {
    let database = empty().await;
    for (text, line, words) in [
        ("create table a (b int);\n\nselect 'é',\n  c;", 4, "c"),
        (
            "create table a (b int primary key);\n-- \ninsert into a\n values (1), (1);",
            3,
            "(b)=(1)",
        ),
        ("create table a (b int);\nselec 1;", 2, "selec"),
        (
            "create table a (b int);\ninsert into missing values (1);",
            2,
            "missing",
        ),
        ("create table a (b int);\nvacuum;", 2, "transaction"),
        (
            "create table a (b int);\ncommit;\nselect 1;",
            2,
            "transaction",
        ),
        ("create table a (b int);\nselect 1/0;", 2, "zero"),
        (
            "create table a (b int);\n do $$ begin\n raise 'my words'; end $$;",
            2,
            "my words",
        ),
        (
            "create table a (b int);\nselect 'open;\n",
            2,
            "unterminated",
        ),
        ("create table a (b int);\n\\i other.sql\n", 2, "psql"),
    ] {
        match database.load_seed(script(text), false).await.unwrap_err() {
            Error::Input {
                file,
                line: found,
                message,
            } => {
                assert_eq!(
                    (file.as_str(), found),
                    ("mine.sql", Some(line)),
                    "{text}: {message}"
                );
                assert!(message.contains(words), "{message}");
            }
            other => panic!("{text}: {other}"),
        }
        assert_eq!(
            sql(&database, "select to_regclass('a') is null").await,
            ["t"]
        );
    }
}

#[tokio::test]
async fn seeding_without_a_schema_says_that() {
    let error = empty()
        .await
        .load_seed(Script::seed(), false)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::SchemaNotLoaded { .. }), "{error}");
}

#[tokio::test]
async fn a_file_with_its_own_transaction_is_loaded_whole() {
    let database = empty().await;
    let text = "begin;\ncreate table a (b int);\ninsert into a values (1), (2);\ncommit;\n";
    let loaded = database.load_seed(script(text), false).await.unwrap();
    assert_eq!((loaded.statements, loaded.rows), (2, 2));
    assert_eq!(sql(&database, "select count(*) from a").await, ["2"]);
}
