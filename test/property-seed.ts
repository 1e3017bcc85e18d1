// The seed of every property test. A run of the suite draws the same cases each time, so that its verdict is one about the
// commit and not about the draw; new cases are drawn by `npm run fuzz`, for as long as it may take, and a failure there prints
// seed and path.
//   BELLHOP_PROPERTY_SEED   another seed

import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env['BELLHOP_PROPERTY_SEED'] ?? '20261123') });
