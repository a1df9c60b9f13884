-- Three users and one activity. Rows that are there stay as they are.

insert into public.users (display_name, handle, email, cognito_user_id)
values
  ('Andrew Brown', 'andrewbrown', 'andrewbrown@example.com', 'MOCK'),
  ('Andrew Bayko', 'bayko', 'bayko@example.com', 'MOCK'),
  ('Londo Mollari', 'londo', 'londo@example.com', 'MOCK')
on conflict (handle) do nothing;

insert into public.activities (user_uuid, message, expires_at)
select users.uuid, seed.message, (now() at time zone 'utc') + interval '10 days'
from (values ('andrewbrown', 'This was imported as seed data!')) as seed (handle, message)
join public.users on users.handle = seed.handle
where not exists (
  select from public.activities
  where activities.user_uuid = users.uuid and activities.message = seed.message
);
