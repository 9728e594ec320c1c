import { differentialSuite } from "./suite.ts";

differentialSuite(1, 2);
