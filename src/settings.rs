//! Root, paths, settings file, environment. Errors name key and line; defaults stand in `model::rules`.
