-- The tables of users and activities.
--
-- Creates what is missing and drops nothing, so it can be loaded again at any
-- time. Needs PostgreSQL 13 (gen_random_uuid without an extension).
--
-- Times are `timestamp` in UTC. The defaults say so themselves, since the
-- server's time zone, or a session's, may be another.

create table if not exists public.users (
  uuid uuid primary key default gen_random_uuid(),
  display_name text not null,
  handle text not null unique,
  email text not null,
  cognito_user_id text not null,
  created_at timestamp not null default (now() at time zone 'utc')
);

-- Even `if not exists` locks the table first, which holds up whoever uses it, so
-- nothing is altered without need.
do $$ begin
  if to_regclass('public.users_handle_key') is null then
    create unique index if not exists users_handle_key on public.users (handle);
  end if;
end $$;

create table if not exists public.activities (
  uuid uuid primary key default gen_random_uuid(),
  user_uuid uuid not null,
  message text not null,
  replies_count integer default 0,
  reposts_count integer default 0,
  likes_count integer default 0,
  reply_to_activity_uuid uuid,
  expires_at timestamp,
  created_at timestamp not null default (now() at time zone 'utc')
);

-- What tables of older versions lack, where a value for the rows that are there is known.
do $$
declare
  missing record;
begin
  for missing in
    select *
    from (
      values
        ('users', 'display_name', 'text not null', ''),
        ('users', 'email', 'text not null', ''),
        ('users', 'cognito_user_id', 'text not null', 'MOCK'),
        ('users', 'created_at', $d$timestamp not null default (now() at time zone 'utc')$d$, null),
        ('activities', 'replies_count', 'integer default 0', null),
        ('activities', 'reposts_count', 'integer default 0', null),
        ('activities', 'likes_count', 'integer default 0', null),
        ('activities', 'reply_to_activity_uuid', 'uuid', null),
        ('activities', 'expires_at', 'timestamp', null),
        ('activities', 'created_at', $d$timestamp not null default (now() at time zone 'utc')$d$, null)
    ) as wanted (relation, name, definition, filler)
    where not exists (
      select from pg_attribute
      where attrelid = to_regclass('public.' || relation) and attname = name and not attisdropped
    )
  loop
    execute format(
      'alter table public.%I add column if not exists %I %s %s',
      missing.relation, missing.name, missing.definition, 'default ' || quote_literal(missing.filler)
    );
    -- It is for the rows that are there, and no default for those to come.
    if missing.filler is not null then
      execute format(
        'alter table public.%I alter column %I drop default', missing.relation, missing.name
      );
    end if;
  end loop;
end $$;
