//! A small reader and writer over quick-xml; knows no func.
