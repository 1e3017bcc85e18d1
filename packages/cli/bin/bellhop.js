#!/usr/bin/env node
// Committed, so that `npm ci` can link the command before anything is built; the program itself is built into dist/.
import '../dist/main.js';
