//! Made-up web sites, over HTTPS on the loopback interface, with a log of what they received.
