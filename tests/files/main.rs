//! Foreign files: read as what they are, refused if they are wrong, and read consistently while
//! somebody writes to them.

mod arrays;
mod changing_files;
mod hostile;
