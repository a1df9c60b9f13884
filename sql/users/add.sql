-- Adds a user; one whose handle is taken stays as it is.
-- $1: handle, $2: display name, $3: email, $4: Cognito id
insert into public.users (handle, display_name, email, cognito_user_id)
values ($1, $2, $3, $4)
on conflict (handle) do nothing;
