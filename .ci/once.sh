# Sourced by the scripts that build everything once: nothing is built again after a change, and nobody
# debugs it. So a first build is a fifth shorter.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_CODEGEN_UNITS=16 CARGO_PROFILE_DEV_DEBUG=0
