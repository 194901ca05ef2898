//! Files of others: read as what they are, refused where they are wrong, and whole though somebody
//! writes to them.

mod arrays;
mod changing_files;
mod hostile;
