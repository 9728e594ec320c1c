import { newerSuite } from "./suite.ts";

newerSuite();
