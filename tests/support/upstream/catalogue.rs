//! The seller's products: tariffs with their codes, periods, prices (minor units), node addons and ends of sale. Copied
//! by hand from docs/licensing-rules.md 1 and 6; prices that are not published there are invented.
use chrono::NaiveDate;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    Soft,
    SoftExternal,
    Addition,
}

impl Family {
    pub fn word(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::SoftExternal => "softexternal",
            Self::Addition => "addition",
        }
    }
}

/// The billing that knows a code: the international one, the Russian one, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Country {
    International,
    Russian,
    Both,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes {
    pub addon: u32,
    pub included: i64,
    /// Price of one node above the included ones for a month.
    pub month: i64,
}

/// From `limited` on nothing lasts past `not_past`; from `closed` on nothing is sold or renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOfSale {
    pub limited: NaiveDate,
    pub not_past: NaiveDate,
    pub closed: NaiveDate,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    pub code: u32,
    pub name: String,
    pub family: Family,
    pub country: Country,
    /// Period in months (-100 trial) and its price.
    pub periods: Vec<(i32, i64)>,
    pub nodes: Option<Nodes>,
    pub needs_ip: bool,
    pub end: Option<EndOfSale>,
}

impl Tariff {
    pub fn new(code: u32, name: &str, family: Family, periods: &[(i32, i64)]) -> Self {
        let country = Country::International;
        let needs_ip = family != Family::Addition;
        Self { code, name: name.into(), family, country, periods: periods.to_vec(), nodes: None, needs_ip, end: None }
    }

    pub fn country(mut self, country: Country) -> Self {
        self.country = country;
        self
    }

    pub fn nodes(mut self, addon: u32, included: i64, month: i64) -> Self {
        self.nodes = Some(Nodes { addon, included, month });
        self
    }

    pub fn no_ip(mut self) -> Self {
        self.needs_ip = false;
        self
    }

    pub fn ends(mut self, limited: NaiveDate, not_past: NaiveDate, closed: NaiveDate) -> Self {
        self.end = Some(EndOfSale { limited, not_past, closed });
        self
    }

    pub fn price(&self, period: i32) -> Option<i64> {
        self.periods.iter().find(|(p, _)| *p == period).map(|(_, price)| *price)
    }

    pub fn trial(&self) -> bool {
        self.periods.iter().all(|(p, _)| *p == -100)
    }
}

fn date(y: i32, m: u32, d: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(y, m, d).unwrap()
}

fn five(tariff: Tariff) -> Tariff {
    tariff.ends(date(2021, 4, 8), date(2021, 12, 31), date(2021, 6, 15))
}

/// The tariffs of both billings.
pub fn standard() -> Vec<Tariff> {
    let mut all = ispmanager();
    all.extend(third_party());
    all.extend(older());
    all
}

fn ispmanager() -> Vec<Tariff> {
    use Country::Russian;
    use Family::Soft;
    let t = |code, name, periods| Tariff::new(code, name, Soft, periods);
    vec![
        t(55227, "ISPmanager 6 Lite", &[(1, 500), (12, 5500)]),
        t(55228, "ISPmanager 6 Pro", &[(1, 1000), (12, 11000)]),
        t(55229, "ISPmanager 6 Host", &[(1, 1500), (12, 16500)]),
        t(55230, "ISPmanager 6 Business", &[(1, 2000), (12, 22000)]).nodes(55236, 1, 500),
        t(55239, "ISPmanager 6 trial", &[(-100, 0)]),
        t(55240, "ISPmanager 6 Business trial", &[(-100, 0)]),
        five(t(3541, "ISPmanager 5 Lite", &[(1, 400), (12, 4400)])),
        five(t(4601, "ISPmanager 5 Business", &[(1, 1200), (12, 13200)]).nodes(4602, 1, 300)),
        t(55382, "BILLmanager 6 Hosting&Cloud, month", &[(1, 3000)]),
        t(55384, "BILLmanager 6 Hosting&Cloud, year", &[(12, 33000)]),
        t(55231, "ISPmanager 6 Lite", &[(1, 45000), (12, 495_000)]).country(Russian),
        t(55232, "ISPmanager 6 Pro", &[(1, 90000), (12, 990_000)]).country(Russian),
        t(55233, "ISPmanager 6 Host", &[(1, 135_000), (12, 1_485_000)]).country(Russian),
        t(55234, "ISPmanager 6 Business", &[(1, 180_000), (12, 1_980_000)]).country(Russian).nodes(55236, 1, 45000),
        t(55235, "ISPmanager 6 trial", &[(-100, 0)]).country(Russian),
    ]
}

fn third_party() -> Vec<Tariff> {
    use Country::{Both, Russian};
    let s = |code, name, periods: &[(i32, i64)]| Tariff::new(code, name, Family::SoftExternal, periods);
    let a = |code, name, periods: &[(i32, i64)]| Tariff::new(code, name, Family::Addition, periods);
    let many = [(1, 900), (3, 2600), (6, 5000), (12, 9500), (-100, 0)];
    let module = [(1, 900), (6, 5000), (12, 9500), (-100, 0)];
    vec![
        s(9203, "CloudLinux", &[(1, 1400)]).country(Both),
        s(9204, "Softaculous", &[(1, 200)]).country(Both),
        s(11738, "KernelCare", &[(1, 300)]).country(Both),
        s(55369, "BitNinja", &many).no_ip(),
        s(55391, "BitNinja", &many).no_ip().country(Russian),
        a(55371, "BitNinja for ISPmanager", &module),
        a(55390, "BitNinja for ISPmanager", &module).country(Russian),
    ]
}

fn older() -> Vec<Tariff> {
    let t = |code, name| Tariff::new(code, name, Family::Soft, &[(1, 800), (12, 8800)]).country(Country::Both);
    vec![
        t(3045, "VMmanager 5 KVM").nodes(3049, 1, 800),
        t(3887, "VMmanager 5 Cloud").nodes(3889, 5, 800),
        t(3651, "VMmanager 5 OVZ").nodes(3698, 1, 800),
        t(3934, "DCImanager 5"),
        t(3936, "DCImanager 5 Enterprise"),
        t(3136, "DNSmanager 5"),
        t(2891, "IPmanager 5"),
    ]
}
