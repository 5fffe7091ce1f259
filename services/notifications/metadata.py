"""What the tables of notifications, also those of the packages in it, belong to."""

from typing import Final

import sqlalchemy as sa

from services.kit.db import NAMING, add_message_tables

metadata: Final = sa.MetaData(naming_convention=NAMING)
add_message_tables(metadata)
