from cvae_train import import_tensorflow

import_tensorflow()
