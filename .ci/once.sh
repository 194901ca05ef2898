# Sourced by the scripts that build everything once and test it: without what helps to build again or
# to debug, a first build is a fifth shorter.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_CODEGEN_UNITS=16 CARGO_PROFILE_DEV_DEBUG=0
