-- The one GET that wrk is told of.
require("report")
