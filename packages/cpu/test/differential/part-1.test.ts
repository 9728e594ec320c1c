import { differentialSuite } from "./suite.ts";

differentialSuite(0, 2);
